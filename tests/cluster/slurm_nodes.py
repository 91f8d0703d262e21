"""A SLURM with two virtual nodes on this machine: slurmctld, two slurmd and munged, with all their files in one folder.

For Debian, as root. Packages are installed where they are missing. Nothing outside of the folder is used but the
programs: munged has a socket and a key of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
NODES = ("n1", "n2")
_CONF = """\
ClusterName=virtual
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/spool.%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=10
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Missing(Exception):
    """The machine has no SLURM and cannot get one; its text is one word."""


def install() -> None:
    """Install SLURM unless it is there.

    Raises:
        Missing: where that needs another user, or there are no such packages.
    """
    if os.geteuid() != 0:
        raise Missing("root")
    if all(shutil.which(program) for program in ("slurmctld", "slurmd", "munged", "sbatch")):
        return
    if not shutil.which("apt-get"):
        raise Missing("Debian")
    words = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    done = subprocess.run(words, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True)
    if done.returncode:
        raise Missing("packages")


class SlurmNodes:
    """The cluster; `environment` are the variables by which SLURM's programs find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._control = _free_port()
        self._ports = {name: _free_port() for name in NODES}
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (folder / name).mkdir(parents=True)
        host = socket.gethostname().partition(".")[0]
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 RealMemory=2000 State=UNKNOWN"
            for name, port in self._ports.items()
        )
        text = _CONF.format(host=host, control=self._control, folder=folder, nodes=nodes)
        (folder / "slurm.conf").write_text(text)

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {"key-file": key, "pid-file": self.folder / "munged.pid", "log-file": self.folder / "munged.log"}
        files |= {"socket": self.folder / "munge.socket", "seed-file": self.folder / "munged.seed"}
        self._run("munged", "--force", *(f"--{name}={path}" for name, path in files.items()))
        self._run("slurmctld", "-c")
        for name in NODES:
            self.start_node(name)
        self._wait_until(lambda: self.states() == dict.fromkeys(NODES, "idle"), "two idle nodes")

    def start_node(self, name: str) -> None:
        """Start the slurmd of a node."""
        self._run("slurmd", "-N", name)

    def states(self) -> dict[str, str]:
        """The state of each node, as sinfo says it."""
        said = self._run("sinfo", "-h", "-N", "-o", "%N %t").split()
        return dict(zip(said[::2], said[1::2], strict=True))

    def queue(self) -> list[str]:
        """Jobs that wait or run."""
        return self._run("squeue", "-h", "-r", "-o", "%i").split()

    def job_processes(self, name: str) -> list[psutil.Process]:
        """The processes of the jobs on a node, with the daemons that look after them."""
        return [
            process
            for process in psutil.process_iter()
            if _variable(process, "SLURMD_NODENAME") == name or _is_step_of(process, self.folder, name)
        ]

    def kill_node(self, name: str) -> None:
        """End a node as a power cut does: its slurmd and all processes of its jobs at once."""
        daemon = int((self.folder / f"slurmd.{name}.pid").read_text())
        for process in [psutil.Process(daemon), *self.job_processes(name)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._run("scontrol", "update", f"nodename={name}", "state=down", "reason=killed")

    def stop(self) -> None:
        """End all jobs and daemons."""
        with suppress(AssertionError):
            for job in self.queue():
                self._run("scancel", job)
        for file in sorted(self.folder.glob("*.pid")):
            with suppress(OSError, ValueError):
                os.kill(int(file.read_text()), signal.SIGTERM)
        for name in NODES:
            for process in self.job_processes(name):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def _run(self, *words: str) -> str:
        done = subprocess.run(words, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{words[0]}: {done.stdout}{done.stderr}"
        return done.stdout

    def _wait_until(self, reached: object, what: str) -> None:
        until = time.monotonic() + 60
        while not reached():  # type: ignore[operator]
            assert time.monotonic() < until, f"no {what}: {self.states()}"
            time.sleep(0.5)


def _variable(process: psutil.Process, name: str) -> str:
    with suppress(psutil.Error):
        return process.environ().get(name, "")
    return ""


def _is_step_of(process: psutil.Process, folder: Path, name: str) -> bool:
    """Whether a process is the slurmstepd of a job on a node of this cluster."""
    with suppress(psutil.Error):
        return process.name() == "slurmstepd" and any(
            f"spool.{name}" in str(file.path) for file in process.open_files()
        )
    return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
