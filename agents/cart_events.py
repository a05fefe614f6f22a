"""Agent of the topic `cart_events`: stores changes to carts."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import cart_event_decoder
from app.sink.tables import STORED_CART_EVENTS
from app.stream.processor_factory import ProcessorFactory
from app.topics import CART_EVENTS


def create_agent(app: AppT, factory: ProcessorFactory) -> AgentT:
    """Declares the agent."""
    processor = factory.build(STORED_CART_EVENTS, cart_event_decoder(factory.limits))
    return declare_agent(app, CART_EVENTS, processor, "Stores changes to carts.")
