"""Looking after a running system: how it fares (`status`) and what is wrong with it (`doctor`)."""
