"""Kafka clients: Faust's consumer of whole chunks, readers, producers, offsets and topics."""
