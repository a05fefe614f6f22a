"""A standalone Spark cluster on loopback: one master, some workers, each stopped by its own process id."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark

from compose.embedded.ports import choose_port
from tests.support.waiting import PATIENCE_SECONDS, PROGRAM_SECONDS, wait_until

_HOME = Path(pyspark.__file__).parent
_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"


def cluster_environment() -> dict[str, str]:
    """Of everything that belongs to the cluster, and of whoever submits to it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GLOBALMART_")}
    return {
        **inherited,
        "SPARK_HOME": str(_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_NO_DAEMONIZE": "1",
        "PYSPARK_PYTHON": sys.executable,
        "GLOBALMART_ENV_FILE": "",
    }


@contextmanager
def standalone_cluster(work_dir: Path, workers: int) -> Iterator[str]:
    """The master's address, once all workers have registered."""
    with ExitStack() as stack:
        address = f"spark://127.0.0.1:{(port := choose_port())}"
        log = work_dir / "master.log"
        command = [_MASTER, "--host", "127.0.0.1", "--port", str(port), "--webui-port"]
        stack.enter_context(_running(command, log))
        _wait_for(log, "I have been elected leader", 1)
        for number in range(workers):
            options = ["--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--work-dir"]
            command = [_WORKER, address, *options, str(work_dir / f"worker{number}"), "--webui-port"]
            stack.enter_context(_running(command, work_dir / f"worker{number}.log"))
        _wait_for(log, "Registering worker", workers)
        yield address


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(_HOME / "bin" / "spark-class"), *command, str(choose_port())],
            env=cluster_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _wait_for(log: Path, text: str, times: int) -> None:
    wait_until(
        lambda: log.read_text(errors="replace").count(text) >= times, lambda: log.read_text(errors="replace")[-2000:]
    )


def submit(master: str, variables: Mapping[str, str], *arguments: str) -> None:
    """Run the batch by spark-submit, which names the master; raises if it failed, with what was said."""
    program = Path(__file__).parents[2] / "batch" / "__main__.py"
    command = [str(_HOME / "bin" / "spark-submit"), "--master", master, "--executor-memory", "512m"]
    _finish([*command, str(program), *arguments], variables)


def run_on(master: str, variables: Mapping[str, str], *arguments: str) -> None:
    """Runs the batch as a program of its own on the master; raises if it failed."""
    cluster = {"GLOBALMART_BATCH_MASTER": master, "GLOBALMART_BATCH_MEMORY": "512m"}
    _finish([sys.executable, "-m", "batch", *arguments], {**variables, **cluster})


def _finish(command: list[str], variables: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        env={**cluster_environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PROGRAM_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
