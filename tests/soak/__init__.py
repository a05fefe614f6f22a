"""A worker under the same load for a long time: memory, open files, lag and latency must stay flat."""
