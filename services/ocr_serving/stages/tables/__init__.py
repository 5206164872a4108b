"""How a table is built: its picture made ready, rules and words on it, grids that explain them, the best of these."""
