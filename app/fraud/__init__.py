"""The fraud desk: rules as data, the editions that say which rules judged which offsets, verdicts, cases and labels."""
