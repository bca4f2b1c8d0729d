"""Who does the work: one contract (`base`), two implementations (`deepfacelab`, `builtin`)."""
