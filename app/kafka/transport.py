"""Faust transport `globalmart://`: aiokafka as Faust drives it, with the chunk consumer."""

from faust.transport.drivers import aiokafka

from app.kafka.consumer import ChunkConsumer


class ChunkTransport(aiokafka.Transport):
    """The aiokafka transport whose consumer hands on whole chunks."""

    Consumer = ChunkConsumer
