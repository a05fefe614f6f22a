"""Dead letters as a workflow: look at them, correct them, put them back."""
