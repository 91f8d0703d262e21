"""The Hydra launchers `slurm` and `ray`: a multirun's cells are computed by jobs of a cluster.

`littlehuman.execution.cluster` submits and watches the jobs. Each of them runs the fused sweep over the cells that are
open, as one of the workers that share them. The command shows what they computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from omegaconf import OmegaConf

from hydra_plugins.littlehuman_fused.launcher import FusedLauncher, FusedLauncherConf, Host

if TYPE_CHECKING:
    from littlehuman.execution.cluster import Scheduler


@dataclass
class SlurmLauncherConf:
    """submitit's parameters, by its own names; conf/hydra/launcher/slurm.yaml has their values.

    No string annotations in this file, as in `launcher`.
    """

    _target_: str = "hydra_plugins.littlehuman_fused.cluster.SlurmLauncher"
    name: str = "littlehuman"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodelist: str | None = None
    exclude: str | None = None
    gpus_per_node: int | None = None
    gres: str | None = None
    cpus_per_task: int | None = None
    mem_gb: float | None = None
    timeout_min: int = 240
    max_num_timeout: int = 3
    signal_delay_s: int = 90
    array_parallelism: int = 256
    setup: list[str] = field(default_factory=list)
    srun_args: list[str] = field(default_factory=list)
    additional_parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class RayLauncherConf:
    """Where Ray is, and what a task needs; conf/hydra/launcher/ray.yaml has the values."""

    _target_: str = "hydra_plugins.littlehuman_fused.cluster.RayLauncher"
    address: str | None = None
    num_cpus: float = 1
    num_gpus: float | None = None
    resources: dict[str, float] = field(default_factory=dict)


for name, node in {"slurm_options": SlurmLauncherConf, "ray_options": RayLauncherConf}.items():
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="littlehuman")


class ClusterLauncher(FusedLauncher):
    """Submits jobs that compute the cells, and waits for them."""

    notes = ""  # folder of the jobs' files in the study

    def __init__(self, **options: Any) -> None:
        super().__init__(ahead=FusedLauncherConf.ahead)
        self.options = {key: OmegaConf.to_object(v) if OmegaConf.is_config(v) else v for key, v in options.items()}

    def scheduler(self, folder: Path) -> "Scheduler":
        """Where jobs are submitted to; their files are in `folder`."""
        raise NotImplementedError

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Have the cells computed. A job that fails is recorded in its own folder and stops no other."""
        from littlehuman.execution import mending

        hosts = self.hosts(job_overrides, initial_job_idx, "by the jobs of a cluster")
        left = self.incomplete(hosts)
        if left:
            study = Path(str(self.config.hydra.sweep.dir))
            with mending.refusing_the_command(study):
                reasons = self._compute(left, self.scheduler(study.absolute() / self.notes))
            for host in left:
                host.collect("; ".join(reasons))
        return [host.returned for host in hosts]

    def _compute(self, hosts: Sequence[Host], scheduler: "Scheduler") -> list[str]:
        """Why jobs that compute the cells did not come to their end."""
        from hydra_plugins.littlehuman_fused.cells import OpenCells
        from littlehuman.execution import cluster
        from littlehuman.execution.worker_job import WorkerJob
        from littlehuman.generation import ledger

        cells = [folder for host in hosts if (folder := host.known_folder())]
        launch = next((config.launch for host in hosts if (config := host.composed())), None)
        size = cluster.count_of_jobs(len(hosts), int(launch.group) if launch else len(hosts))
        ledger.split(size)
        jobs = [WorkerJob(rank, size, OpenCells(self, hosts)) for rank in range(size)]
        return cluster.compute(scheduler, jobs, cells, show=any(host.progress for host in hosts[:1]))


class SlurmLauncher(ClusterLauncher):
    """Jobs of SLURM, through submitit."""

    notes = ".slurm"

    def scheduler(self, folder: Path) -> "Scheduler":
        """SLURM."""
        from littlehuman.execution.slurm import Slurm

        return Slurm(folder, self.options)


class RayLauncher(ClusterLauncher):
    """Tasks of Ray."""

    notes = ".ray"

    def scheduler(self, folder: Path) -> "Scheduler":
        """Ray."""
        from littlehuman.execution.ray_jobs import RayJobs

        return RayJobs(folder, self.options)
