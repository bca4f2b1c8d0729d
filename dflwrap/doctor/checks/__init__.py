"""The checks, by what they look at; `dflwrap.doctor.registry` lists them."""
