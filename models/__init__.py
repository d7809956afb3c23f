"""Networks and training code that several rooms share. Nothing here reads or writes a dataset."""
