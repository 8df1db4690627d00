"""The works that a methods section cites, by what was used."""

import inspect
import re

__all__ = ["CITATIONS", "cite_network"]

CITATIONS = {
    # The data and how they were prepared.
    "abide": "Di Martino A, et al. The autism brain imaging data exchange. Molecular Psychiatry "
    "19:659-667, 2014. doi:10.1038/mp.2013.78",
    "cpac": "Craddock C, et al. The Neuro Bureau Preprocessing Initiative: open sharing of "
    "preprocessed neuroimaging data and derivatives. Frontiers in Neuroinformatics 7, 2013. "
    "doi:10.3389/conf.fninf.2013.09.00041",
    "fmriprep": "Esteban O, et al. fMRIPrep: a robust preprocessing pipeline for functional MRI. "
    "Nature Methods 16:111-116, 2019. doi:10.1038/s41592-018-0235-4",
    "freesurfer": "Fischl B. FreeSurfer. NeuroImage 62:774-781, 2012. "
    "doi:10.1016/j.neuroimage.2012.01.021",
    "nilearn": "Abraham A, et al. Machine learning for neuroimaging with scikit-learn. Frontiers "
    "in Neuroinformatics 8:14, 2014. doi:10.3389/fninf.2014.00014",
    "ho": "Desikan RS, et al. An automated labeling system for subdividing the human cerebral "
    "cortex on MRI scans into gyral based regions of interest. NeuroImage 31:968-980, 2006. "
    "doi:10.1016/j.neuroimage.2006.01.021",
    "cc200": "Craddock RC, et al. A whole brain fMRI atlas generated via spatially constrained "
    "spectral clustering. Human Brain Mapping 33:1914-1928, 2012. doi:10.1002/hbm.21333",
    "aal": "Tzourio-Mazoyer N, et al. Automated anatomical labeling of activations in SPM using a "
    "macroscopic anatomical parcellation of the MNI MRI single-subject brain. NeuroImage "
    "15:273-289, 2002. doi:10.1006/nimg.2001.0978",
    "schaefer": "Schaefer A, et al. Local-global parcellation of the human cerebral cortex from "
    "intrinsic functional connectivity MRI. Cerebral Cortex 28:3095-3114, 2018. "
    "doi:10.1093/cercor/bhx179",
    # Features.
    "tangent": "Varoquaux G, et al. Detection of brain functional-connectivity difference in "
    "post-stroke patients using group-level covariance modeling. MICCAI 2010, LNCS 6361:200-208. "
    "doi:10.1007/978-3-642-15705-9_25",
    "ledoit_wolf": "Ledoit O, Wolf M. A well-conditioned estimator for large-dimensional "
    "covariance matrices. Journal of Multivariate Analysis 88:365-411, 2004. "
    "doi:10.1016/S0047-259X(03)00096-4",
    "oas": "Chen Y, et al. Shrinkage algorithms for MMSE covariance estimation. IEEE Transactions "
    "on Signal Processing 58:5016-5029, 2010. doi:10.1109/TSP.2010.2053029",
    "combat": "Fortin JP, et al. Harmonization of cortical thickness measurements across scanners "
    "and sites. NeuroImage 167:104-120, 2018. doi:10.1016/j.neuroimage.2017.11.024",
    "mida": "Yan K, Kou L, Zhang D. Learning domain-invariant subspace using domain features and "
    "independence maximization. IEEE Transactions on Cybernetics 48:288-299, 2018. "
    "doi:10.1109/TCYB.2016.2633306",
    # Models.
    "population_graph": "Parisot S, et al. Disease prediction using graph convolutional networks: "
    "application to autism spectrum disorder and Alzheimer's disease. Medical Image Analysis "
    "48:117-130, 2018. doi:10.1016/j.media.2018.06.001",
    "cheb": "Defferrard M, Bresson X, Vandergheynst P. Convolutional neural networks on graphs "
    "with fast localized spectral filtering. NeurIPS 2016.",
    "gcn": "Kipf TN, Welling M. Semi-supervised classification with graph convolutional networks. "
    "ICLR 2017.",
    "sage": "Hamilton WL, Ying R, Leskovec J. Inductive representation learning on large graphs. "
    "NeurIPS 2017.",
    "gat": "Velickovic P, et al. Graph attention networks. ICLR 2018.",
    "sgc": "Wu F, et al. Simplifying graph convolutional networks. ICML 2019.",
    "mean_mlp": "Popov P, et al. A simple but tough-to-beat baseline for fMRI time-series "
    "classification. NeuroImage 303, 2024.",
    "edges": "Dadi K, et al. Benchmarking functional connectome-based predictive models for "
    "resting-state fMRI. NeuroImage 192:115-134, 2019. doi:10.1016/j.neuroimage.2019.02.062",
    # Statistics and reporting.
    "bootstrap": "Efron B, Tibshirani RJ. An introduction to the bootstrap. Chapman & Hall, 1993.",
    "folds": "Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning "
    "52:239-281, 2003. doi:10.1023/A:1024068626366",
    "discoveries": "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical "
    "and powerful approach to multiple testing. Journal of the Royal Statistical Society B "
    "57:289-300, 1995. doi:10.1111/j.2517-6161.1995.tb02031.x",
    "tripod": "Collins GS, et al. TRIPOD+AI statement: updated guidance for reporting clinical "
    "prediction models that use regression or machine learning methods. BMJ 385:e078378, 2024. "
    "doi:10.1136/bmj-2023-078378",
    # Software.
    "scikit-learn": "Pedregosa F, et al. Scikit-learn: machine learning in Python. Journal of "
    "Machine Learning Research 12:2825-2830, 2011.",
    "torch": "Paszke A, et al. PyTorch: an imperative style, high-performance deep learning "
    "library. NeurIPS 2019.",
    "torch-geometric": "Fey M, Lenssen JE. Fast graph representation learning with PyTorch "
    "Geometric. ICLR workshop on representation learning on graphs and manifolds, 2019.",
}


def cite_network(name: str) -> str | None:
    """Return the paper of one of :mod:`brainograph.nn`'s networks, as its documentation cites it.

    Examples
    --------
    >>> cite_network("MeanMLP")
    'Popov et al., A simple but tough-to-beat baseline ... NeuroImage 303, 2024.'
    >>> cite_network("nothing")
    """
    from brainograph import nn

    described = inspect.getdoc(getattr(nn, name, None)) if name in nn.__all__ else None
    found = re.search(
        r"References\n-+\n\.\. \[1\] (.*?)(?=\n\.\. \[|\n\n|$)", described or "", re.S
    )
    return " ".join(found[1].split()) if found else None
