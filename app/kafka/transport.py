"""The Faust transport `globalmart://`: Faust's aiokafka transport with the chunk consumer."""

from faust.transport.drivers import aiokafka

from app.kafka.consumer import ChunkConsumer


class ChunkTransport(aiokafka.Transport):
    """The aiokafka transport whose consumer yields whole chunks."""

    Consumer = ChunkConsumer
