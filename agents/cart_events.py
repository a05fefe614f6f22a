"""Agent of the topic `cart_events`: stores changes to carts."""

from faust.types import AgentT, AppT

from agents.chunk_agent import declare_agent
from app.events.decoding import cart_event_decoder
from app.sink.tables import STORED_CART_EVENTS
from app.stream.runtime import StreamRuntime
from app.topics import CART_EVENTS


def create_agent(app: AppT, runtime: StreamRuntime) -> AgentT:
    """Declares the agent."""
    processor = runtime.processor(STORED_CART_EVENTS, cart_event_decoder(runtime.limits))
    return declare_agent(app, CART_EVENTS, processor, "Stores changes to carts.")
