"""The source topics, one file each: the event in JSON, its row, and everything that follows from them.

`app.topics` lists them. Stage, insert, lake, erasure, retention, replay and the generator's faults are read from them.
"""
