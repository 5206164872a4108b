"""The work: watches bring names, workers bring about what each says."""
