"""What a fitted model has learned: accuracy, clusters, prior match, pictures, and all of it in one value."""

from aaetools.analysis.about_labels import LABEL_PARTS
from aaetools.analysis.analyze import analyze
from aaetools.analysis.baselines import BASELINES, FURTHER_BASELINES, PROBES, compare_baselines
from aaetools.analysis.calibrated import CalibratedClassifier
from aaetools.analysis.class_shares import estimate_class_shares
from aaetools.analysis.classification import classify, classify_latents
from aaetools.analysis.cluster_count import CHOOSERS, choose_n_clusters
from aaetools.analysis.clusterers import CLUSTERERS, PriorComponents
from aaetools.analysis.clustering import cluster_latents
from aaetools.analysis.comparison import compare
from aaetools.analysis.comparison_results import Comparison
from aaetools.analysis.cross_fit import CROSS_FITS
from aaetools.analysis.divergences import DIVERGENCES, divergence
from aaetools.analysis.embedding import apply_map, compile_umap, project_latents, umap_embed
from aaetools.analysis.health import health_warnings
from aaetools.analysis.intervals import wilson_interval
from aaetools.analysis.label_audit import audit_labels
from aaetools.analysis.label_effect import label_effect
from aaetools.analysis.latent_paths import class_centres, interpolate, traverse
from aaetools.analysis.latent_space import effective_dimension, latent_space
from aaetools.analysis.novel_classes import find_novel_classes
from aaetools.analysis.previews import row_previews
from aaetools.analysis.prior_match import STATISTICS, prior_match
from aaetools.analysis.results import SCHEMA_VERSION, Analysis, Images, Previews, Tables
from aaetools.analysis.serialise import (
    analysis_from_json,
    analysis_json_schema,
    analysis_to_json,
    json_schema,
    result_from_json,
    result_to_json,
)
from aaetools.analysis.suggestion import STRATEGIES, suggest_labels

__all__ = [
    "BASELINES",
    "CHOOSERS",
    "CLUSTERERS",
    "CROSS_FITS",
    "DIVERGENCES",
    "FURTHER_BASELINES",
    "LABEL_PARTS",
    "PROBES",
    "SCHEMA_VERSION",
    "STATISTICS",
    "STRATEGIES",
    "Analysis",
    "CalibratedClassifier",
    "Comparison",
    "Images",
    "Previews",
    "PriorComponents",
    "Tables",
    "analysis_from_json",
    "analysis_json_schema",
    "analysis_to_json",
    "analyze",
    "apply_map",
    "audit_labels",
    "choose_n_clusters",
    "class_centres",
    "classify",
    "classify_latents",
    "cluster_latents",
    "compare",
    "compare_baselines",
    "compile_umap",
    "divergence",
    "effective_dimension",
    "estimate_class_shares",
    "find_novel_classes",
    "health_warnings",
    "interpolate",
    "json_schema",
    "label_effect",
    "latent_space",
    "prior_match",
    "project_latents",
    "result_from_json",
    "result_to_json",
    "row_previews",
    "suggest_labels",
    "traverse",
    "umap_embed",
    "wilson_interval",
]
