"""A soak: one worker, the generator at a steady rate, samples, a hand-over at the end, and the recount."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from app.domain.quantiles import quantile
from compose.demo.figures import read_buckets, read_metrics
from tests.chaos.gauge import Gauge
from tests.faults.processes import ROOT, WorkerProcess, clean_environment
from tests.faults.world import World
from tests.soak.flatness import Trend, trend

_GUIDE_RATE: Final = 610.0  # events/s of the generator's defaults
_MEBIBYTE: Final = 1024 * 1024
_JOIN_SECONDS: Final = 60.0
_SHARED_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 30.0
_CATCH_UP_SECONDS: Final = 120.0
_PORT: Final = "GLOBALMART_WORKER_METRICS_PORT"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """The worker at a moment; latency is of the records since the sample before."""

    seconds: float
    memory_mb: float
    open_files: int
    threads: int
    lag_records: float
    events: float
    p50_seconds: float
    p99_seconds: float
    load_average: float


class Soak:
    """Runs on one world; `folder` takes the logs."""

    def __init__(self, world: World, folder: Path, say: Say) -> None:
        self._world = world
        self._folder = folder
        self._say = say
        self._buckets: dict[float, float] = {}

    async def run(self, seconds: float, rate: float, every_seconds: float) -> dict[str, Any]:
        """The report: samples, trends, the hand-over and the verdict of the recount."""
        world = self._world
        worker = world.worker(KAFKA_MAX_POLL_RECORDS="4000")
        generator = self._generate(rate)
        try:
            await world.consuming(worker, _JOIN_SECONDS)
            samples = await self._watch(worker, generator, seconds, every_seconds)
            handover = await self._hand_over(worker)
        finally:
            generator.terminate()
            generator.wait(60)
        await world.consumed(_CATCH_UP_SECONDS)
        report = await world.recount()
        return {
            "seconds": seconds,
            "rate": rate,
            "events": samples[-1].events,
            "trends": {name: _shown(found) for name, found in _trends(samples, rate).items()},
            "handover": handover,
            "recount_agrees": report.agrees,
            "disagreements": report.kinds,
            "worker_exit_code": worker.exit_code,
            "load_average": os.getloadavg(),
            "samples": [asdict(sample) for sample in samples],
        }

    def _generate(self, rate: float) -> subprocess.Popen[bytes]:
        with (self._folder / "generator.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "app.cli", "generate", "--rate", f"{rate / _GUIDE_RATE:.4f}"],
                cwd=ROOT,
                env=clean_environment() | self._world.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _watch(
        self, worker: WorkerProcess, generator: subprocess.Popen[bytes], seconds: float, every_seconds: float
    ) -> list[Sample]:
        began, samples = time.monotonic(), list[Sample]()
        while time.monotonic() - began < seconds:
            await asyncio.sleep(every_seconds)
            assert worker.exit_code is None, worker.tail()
            assert generator.poll() is None, "the generator ended"
            sample = await asyncio.to_thread(self._sample, worker, time.monotonic() - began)
            self._say(
                f"{sample.seconds:6.0f} s  {sample.memory_mb:.0f} MB  {sample.open_files} files  "
                f"lag {sample.lag_records:.0f}  p50 {sample.p50_seconds * 1000:.0f} ms  "
                f"p99 {sample.p99_seconds * 1000:.0f} ms  load {sample.load_average:.1f}"
            )
            samples.append(sample)
        return samples

    def _sample(self, worker: WorkerProcess, seconds: float) -> Sample:
        process = psutil.Process(worker.pid)
        port = int(worker.log().split("metrics on http://127.0.0.1:")[1].split("/")[0])
        before, self._buckets = self._buckets, read_buckets(read_metrics(port) or "")
        counts = {bound: count - before.get(bound, 0) for bound, count in self._buckets.items()}
        return Sample(
            round(seconds, 1),
            round(process.memory_info().rss / _MEBIBYTE, 1),
            process.num_fds(),
            process.num_threads(),
            worker.metric("globalmart_partition_lag_records"),
            worker.metric("globalmart_events_total"),
            quantile(counts, 0.5) or 0.0,
            quantile(counts, 0.99) or 0.0,
            os.getloadavg()[0],
        )

    async def _hand_over(self, stayer: WorkerProcess) -> dict[str, Any]:
        """A second worker takes its share and is stopped: how long that takes, and whether anything was tried twice."""
        world, gauge = self._world, Gauge(self._world)
        leaver = world.worker(KAFKA_MAX_POLL_RECORDS="4000")
        await world.consuming(leaver, _JOIN_SECONDS)
        watching = asyncio.create_task(gauge.run())
        await asyncio.sleep(_SHARED_SECONDS)
        started = time.monotonic()
        gauge.fault("graceful_stop")
        code = await asyncio.to_thread(leaver.stop, _STOP_SECONDS)
        stop_seconds = time.monotonic() - started
        await world.until(lambda: not gauge.pending, stayer, seconds=_JOIN_SECONDS)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return {
            "exit_code": code,
            "stop_seconds": round(stop_seconds, 2),
            "all_partitions_move_after_seconds": round(gauge.recoveries[0].seconds or 0.0, 2),
            "attempts_that_failed": stayer.metric("globalmart_sink_failures_total")
            + leaver.log().count("failed, retrying"),
        }


def failures(found: dict[str, Any]) -> list[str]:
    """What is wrong with the outcome; empty when it is as it should be."""
    wrong = [f"{name} rises: {shown}" for name, shown in found["trends"].items() if not shown["flat"]]
    if not found["recount_agrees"]:
        wrong.append(f"disagreements: {found['disagreements']}")
    if found["worker_exit_code"] is not None:
        wrong.append(f"the worker ended with {found['worker_exit_code']}")
    if found["handover"]["attempts_that_failed"]:
        wrong.append("something was tried twice during the hand-over or before")
    return wrong


def _trends(samples: list[Sample], rate: float) -> dict[str, Trend]:
    """What may be gained over the run: 15 MB, 4 files, 2 threads, two seconds of traffic, 100 and 500 ms."""
    seconds = [sample.seconds for sample in samples]
    return {
        "memory_mb": trend(seconds, [sample.memory_mb for sample in samples], 15.0),
        "open_files": trend(seconds, [float(sample.open_files) for sample in samples], 4.0),
        "threads": trend(seconds, [float(sample.threads) for sample in samples], 2.0),
        "lag_records": trend(seconds, [sample.lag_records for sample in samples], 2.0 * rate),
        "p50_seconds": trend(seconds, [sample.p50_seconds for sample in samples], 0.1),
        "p99_seconds": trend(seconds, [sample.p99_seconds for sample in samples], 0.5),
    }


def _shown(found: Trend) -> dict[str, Any]:
    return asdict(found) | {"flat": found.flat}
