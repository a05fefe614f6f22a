"""How clients prove themselves to the stores and make sure whom they talk to."""
