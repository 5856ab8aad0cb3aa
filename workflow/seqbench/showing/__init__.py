"""How results look: formats of numbers, tables by column specifications, the style of figures."""
