"""What the job of a cluster runs, pickled where the command was typed: the fused sweep over cells that are open."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra_plugins.littlehuman_fused.launcher import FusedLauncher, Host


@dataclass(frozen=True)
class OpenCells:
    """Cells of a multirun with their launcher. No string annotations in this file, as in `launcher`."""

    launcher: FusedLauncher
    hosts: Sequence[Host]

    def __call__(self) -> None:
        """Compute them, shared with other workers."""
        import littlehuman.run  # noqa: F401 - the resolvers of conf/config.yaml

        self.launcher.prepare(self.launcher.count)
        self.launcher.compute(self.hosts)
