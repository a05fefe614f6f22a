"""Agent of the topic `product_views`: stores views of product pages."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import product_view_decoder
from app.sink.tables import STORED_PRODUCT_VIEWS
from app.stream.processor_factory import ProcessorFactory
from app.topics import PRODUCT_VIEWS


def create_agent(app: AppT, factory: ProcessorFactory) -> AgentT:
    """Declares the agent."""
    processor = factory.build(STORED_PRODUCT_VIEWS, product_view_decoder(factory.limits))
    return declare_agent(app, PRODUCT_VIEWS, processor, "Stores views of product pages.")
