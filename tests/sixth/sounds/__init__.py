"""A sixth system: sounds without labels teach a network, and a linear SVM on what it says of them names their classes, fold by fold."""

from dataclasses import dataclass

from cache.stage import Node, Stage, option


@dataclass(frozen=True)
class PretrainParams:
    """How the network learns from all folds but one."""

    fold: int = option(1, "the fold that is left out", at_least=1, at_most=5)
    seed: int = option(0, "of the first weights, the order and the crops", at_least=0, at_most=2**32 - 1)
    epochs: int = option(30, "passes over the sounds", at_least=1, at_most=10_000)


@dataclass(frozen=True)
class EvaluateParams:
    """How the SVMs are fitted to all folds but one."""

    fold: int = option(1, "the fold that is tested", at_least=1, at_most=5)
    seed: int = option(0, "of the network", at_least=0, at_most=2**32 - 1)
    cost: float = option(1.0, "C of the SVM", above=0, at_most=1_000_000)


PRETRAIN = Stage("pretrain", "systems.sounds.pretrain:run", PretrainParams, facets=("device",), help="Learn from sounds without labels.")
EVALUATE = Stage("evaluate", "systems.sounds.evaluate:run", EvaluateParams, libraries=("scipy",))


def nodes(config, shared):
    """Both stages for every seed and two folds."""
    data = {"index": shared("index"), "sounds": shared("sample", "audio", policy="audio")}
    for seed, fold in ((seed, fold) for seed in config.seeds for fold in (1, 2)):
        learn, score = (config.params(of.name, of.params, seed=seed, fold=fold) for of in (PRETRAIN, EVALUATE))
        yield (pretrain := Node(f"pretrain.f{fold}.s{seed}", PRETRAIN, learn, data))
        yield Node(f"evaluate.f{fold}.s{seed}", EVALUATE, score, {**data, "pretrain": pretrain})
