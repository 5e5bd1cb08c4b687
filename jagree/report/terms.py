"""The measures and terms of the page, explained once: what each means, and its formula."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup, escape

from jagree.report.numbers import plain
from jagree.words import percent


def typeset(formula: str) -> Markup:
    """A formula as HTML.

    >>> typeset("max_k c_kn")
    Markup('max<sub>k</sub> c<sub>kn</sub>')
    """
    text = str(escape(formula)).replace(" - ", " \N{MINUS SIGN} ")
    return Markup(re.sub("_([a-z]+)", r"<sub>\1</sub>", text))


@dataclass(frozen=True)
class Term:
    """One entry of the glossary.

    Attributes
    ----------
    column : str
        Column of the agreement table, and anchor in the page.
    name, meaning, formula : str
        The formula may be empty; "_" starts a subscript.
    written : callable
        How a value is written.
    """

    column: str
    name: str
    meaning: str
    formula: str = ""
    written: Callable[[float], str] = percent


MEASURES = (
    Term(
        "accuracy_mean",
        "Mean accuracy",
        "How many of the examples a network gets right, averaged over the networks.",
        "mean_k a_k",
    ),
    Term(
        "accuracy_std",
        "Deviation of accuracy",
        "Standard deviation of accuracy over the networks (of a population: divided by K).",
        "√ mean_k (a_k - mean_j a_j)²",
    ),
    Term(
        "true_positive_agreement",
        "Agreement (TPa)",
        "Of the examples that at least one network gets right, how many all networks get right. "
        "It has no value where no network gets any example right.",
        "Σ_n Π_k c_kn / Σ_n max_k c_kn",
    ),
    Term(
        "chance_agreement",
        "Chance level of agreement",
        "The agreement of networks that have the same accuracies but err independently of each "
        "other. It is normalised by the union as agreement is, so the two can be compared: what "
        "lies above it, the accuracies alone do not explain. Networks that prefer the same classes "
        "lie above it, too.",
        "Π_k a_k / (1 - Π_k (1 - a_k))",
    ),
    Term(
        "chance_within_classes",
        "Chance level within classes",
        "The agreement of networks that have the same accuracy in each class but err independently "
        "of each other within a class. What lies above it, neither the accuracies nor a shared "
        "preference for some classes explain: the networks find the same single examples easy. "
        "With few examples per class it is drawn towards agreement.",
        "Σ_n Π_k p_kn / Σ_n (1 - Π_k (1 - p_kn)), p_kn: accuracy of k in the class of n",
    ),
    Term(
        "largest_agreement",
        "Largest possible agreement",
        "The agreement if every network got right whatever a worse one does.",
        "min_k a_k / max_k a_k",
    ),
    Term(
        "lower_bound",
        "Lower bound",
        "The least share of all examples that all networks must get right, given their "
        "accuracies: if no two of them err on the same example.",
        "1 - min(Σ_k (1 - a_k), 1)",
    ),
    Term(
        "expected_random_agreement",
        "Expected random agreement",
        "The share of all examples that independent networks would all get right. A share of all "
        "examples, not of those that any network gets right, so never above the chance level.",
        "Π_k a_k",
    ),
    Term(
        "pabak",
        "PABAK",
        "How alike two networks are in being right or wrong, averaged over pairs: 1 for always, "
        "0 for half of the examples, -1 for never. It counts shared errors as agreement.",
        "2 · P[c_in = c_jn] - 1",
        plain,
    ),
    Term(
        "corrected_agreement",
        "Agreement beyond chance",
        "Where agreement lies between its chance level, 0, and the largest possible, 1.",
        "(TPa - chance) / (largest - chance)",
        plain,
    ),
    Term(
        "error_consistency",
        "Error consistency",
        "Cohen's kappa of two networks being right on the same examples, averaged over pairs: 0 "
        "for networks that err independently of each other, 1 for networks that err alike.",
        "(P[c_in = c_jn] - chance) / (1 - chance)",
        plain,
    ),
    Term(
        "same_wrong_class",
        "Same mistake of two",
        "How often two networks give the same wrong answer, averaged over pairs.",
    ),
    Term(
        "churn",
        "Churn",
        "How often two networks give different answers, averaged over pairs.",
    ),
)

TERMS = (
    Term(
        "agreed_for_good",
        "Agreed on for good",
        "From some epoch on, all networks get the example right in every recorded epoch. The page "
        "names the first such epoch.",
    ),
    Term(
        "ever_agreed",
        "Never agreed on",
        "There is no recorded epoch in which all networks get the example right.",
    ),
    Term(
        "same_mistake",
        "Agreed on, but wrongly",
        "After the last epoch all networks give the same answer, and it is wrong. Such an example "
        "may have been agreed on before.",
    ),
    Term(
        "accessibility",
        "Accessibility",
        "How often the example is right, as a share of all networks and recorded epochs.",
        "mean_ek c_ekn",
    ),
    Term(
        "within_class",
        "Rank correlation",
        "Spearman's, of an image statistic with the epoch from which on an example is agreed on "
        "for good; never ranks after the last epoch. Above 0: images with a high value are learned "
        "later. Within classes, it compares only images of the same class, so what classes differ "
        "in does not count; given the other statistics, it is what is left beside them. It names "
        "no cause.",
    ),
    Term(
        "curves",
        "Curve r",
        "The paper's: Pearson's r, over epochs, between agreement and the mean of a statistic over "
        "the examples agreed on. Both follow the training, so r is large whether or not the "
        "statistic has to do with learning, and its p takes epochs for independent.",
    ),
    Term(
        "p_adjusted",
        "Adjusted p",
        "The probability of so strong a relation by chance, adjusted for the number of statistics "
        "or factors that were tried (Benjamini and Hochberg).",
    ),
    Term(
        "interval",
        "Interval",
        "Of 95 %: between the 2.5 % and 97.5 % quantiles of a bootstrap over examples. It says "
        "what other examples would give, not other networks.",
    ),
    Term(
        "effect",
        "Effect",
        "Of a factor that was drawn at random for each example: how many epochs later an example "
        "with the most of it is agreed on than one with the least. An example that is not agreed "
        "on at the end counts as learned in the epoch after the last.",
    ),
    Term(
        "diverged",
        "Diverged",
        "The network's loss, or its output for some example, was not finite. Such a prediction "
        "is never right. Networks are numbered from 0.",
    ),
)
