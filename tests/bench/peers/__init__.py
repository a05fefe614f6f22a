"""The worker compared with its peers: Spark Structured Streaming and Quix Streams do the same job on the same records.

Each peer runs in an environment of its own under `var/peers` and is written as an ordinary user of it would write it.
"""
