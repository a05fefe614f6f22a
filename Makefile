# Every target runs on a fresh machine with Python 3.11+, Java and the package registries.
.DEFAULT_GOAL := help
