"""Where else the epochs of a training go: ``--log tensorboard:DIR``, ``--log wandb:PROJECT``."""
