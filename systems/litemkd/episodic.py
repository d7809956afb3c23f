"""Training on episodes: the tasks that experts, teacher and students give to the shared loop."""
