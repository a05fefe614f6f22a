"""Declares agents: a topic whose messages are chunks, and the loop that passes them to a processor."""

from typing import Any

import faust
from faust.types import AgentT, AppT, Message, StreamT

from app.events.topics.declaration import SourceTopic
from app.stream.processor import ChunkProcessor
from app.stream.processor_factory import ProcessorFactory


class ChunkSchema(faust.Schema):
    """Passes chunks through: the processor decodes their records, not Faust."""

    def loads_key(self, app: AppT, message: Message, **_: Any) -> None:
        """Chunks have no key; their records do."""

    def loads_value(self, app: AppT, message: Message, **_: Any) -> Any:
        """The chunk itself."""
        return message.value


def create_agent(app: AppT, factory: ProcessorFactory, topic: SourceTopic[Any]) -> AgentT:
    """Declares the agent of a topic that is only stored."""
    return declare_agent(app, topic.name, factory.build(topic), f"Stores {topic.purpose}.")


def declare_agent(app: AppT, topic: str, processor: ChunkProcessor[Any], purpose: str) -> AgentT:
    """Declares the agent of a topic on the app; `faust agents` prints `purpose`."""

    async def process_chunks(stream: StreamT) -> None:
        async for event in stream.noack().events():
            await processor.process(event)

    process_chunks.__doc__ = purpose
    return app.agent(app.topic(topic, schema=ChunkSchema()), name=topic)(process_chunks)
