"""The very first start of a worker, on a Kafka that has never had a consumer group."""

from pathlib import Path

from compose.embedded.stack import EmbeddedStack, remove_stack
from tests.faults import databases, topics
from tests.faults.world import World


async def test_it_logs_no_error_and_names_no_port_where_nothing_listens(tmp_path: Path) -> None:
    services = ("kafka", "postgres")
    with EmbeddedStack(tmp_path / "stack", services=services, preferred_ports=False) as stack:
        topics.recreate_topics(stack.kafka.bootstrap)
        world = World(stack, tmp_path, await databases.create_database(stack))
        try:
            world.send(50)
            worker = world.worker()
            await world.exact(120.0)
            log = worker.log()
        finally:
            world.close()
    remove_stack(tmp_path / "stack")
    assert "[ERROR]" not in log and "[CRITICAL]" not in log, log
    assert "6066" not in log
    assert "globalmart" in log
