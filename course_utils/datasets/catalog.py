"""What is known about each data set: where it lives, its checksums, licence, citation and known issues.

Nothing is read or fetched here. The entries are also what the data-card pages of the book are made from.
"""

import dataclasses

from course_utils.errors import check_choice

__all__ = ["CATALOG", "Provenance"]

KINDS = ("official", "copy", "own split", "synthetic", "user")


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a data set in memory came from. Every field is text, so ``dataclasses.asdict`` is JSON.

    Attributes
    ----------
    name : str
        The catalog's name of the data set, or the base name of the user's file or folder.
    title : str
        What to call it in a sentence.
    kind : str
        ``"official"`` (the authors' own files, checksums verified), ``"copy"`` (the same images in another file),
        ``"own split"`` (the same images, divided by this project), ``"synthetic"`` (drawn by a program) or
        ``"user"`` (a file that this project does not know).
    file : str
        Base name of the file or folder read; empty for synthetic data.
    sha256 : str
        Checksum of the file. For several files, of their listing in the format of the ``sha256sum`` tool.
    licence, citation : str
        As the authors state them.
    caveat : str
        How these data differ from the official ones; empty if they do not.
    """

    name: str
    title: str
    kind: str
    file: str = ""
    sha256: str = ""
    licence: str = ""
    citation: str = ""
    caveat: str = ""

    def __post_init__(self):
        check_choice("kind", self.kind, KINDS)

    def line(self):
        """Say in one line of plain text what these data are, for the top of a notebook or under a figure.

        Examples
        --------
        >>> Provenance("mnist", "MNIST", "copy", "mnist.npz", "06af5dfe73b7", "not stated", "", "").line()
        'MNIST, a copy of the official data, from mnist.npz (sha256 06af5dfe73b7). Licence: not stated.'
        """
        what = {
            "official": "the official files",
            "copy": "a copy of the official data",
            "own split": "divided by this project, not the official split",
            "synthetic": "drawn by a program: no number here is the real data set's",
            "user": "the user's own data",
        }[self.kind]
        source = f", from {self.file} (sha256 {self.sha256[:12]})" if self.file else ""
        caveat = f" Note: {self.caveat}." if self.caveat else ""
        return f"{self.title}, {what}{source}.{caveat} Licence: {self.licence}."


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """One official file: its name under each mirror, and its published MD5 checksum."""

    name: str
    md5: str


@dataclasses.dataclass(frozen=True)
class Recognised:
    """A file that is not the official one but is known by its checksum; its title, if it has one of its own."""

    sha256: str
    kind: str
    caveat: str = ""
    title: str = ""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One data set of the course.

    Attributes
    ----------
    name, title : str
        The name that ``load`` takes, and the one for people.
    generator : str
        The function in ``datasets.synthetic`` that draws its synthetic images.
    shape : tuple of int
        Height, width and channels of an image.
    issues : tuple of str
        What every user of the data should know.
    n_train, n_test : int
        Images in the official parts.
    class_names : tuple of str
        In label order; empty for re-identification.
    licence, citation, homepage : str
        As the authors state them.
    files : tuple of RemoteFile
        The official files; empty if the authors do not offer them openly.
    mirrors : tuple of str
        Addresses that a file's name is appended to, tried in order.
    recognised : tuple of Recognised
        Other known files that hold these data.
    drawn : bool
        Whether the data set is synthetic itself, and takes the place of nothing.
    """

    name: str
    title: str
    generator: str
    shape: tuple
    licence: str
    issues: tuple
    n_train: int = 0
    n_test: int = 0
    class_names: tuple = ()
    citation: str = ""
    homepage: str = ""
    files: tuple = ()
    mirrors: tuple = ()
    recognised: tuple = ()
    drawn: bool = False

    @property
    def task(self):
        """``"classification"`` or ``"re-identification"``."""
        return "classification" if self.class_names else "re-identification"


_IDX_NAMES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")

_DIGITS = tuple("0123456789")
_GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _like_mnist(checksums, **facts):
    """Make the entry of a data set that comes in the sizes and files of MNIST."""
    files = tuple(RemoteFile(f"{name}-ubyte.gz", md5) for name, md5 in zip(_IDX_NAMES, checksums.split(), strict=True))
    return Entry(shape=(28, 28, 1), n_train=60_000, n_test=10_000, files=files, **facts)


_ENTRIES = (
    _like_mnist(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d 25c81989df183df01b3e8a0aad5dffbe "
        "bef4ecab320f06d8554ea6380940ec79 bb300cfdad3c16e7a12a480ee83cd310",
        name="fashion_mnist",
        title="Fashion-MNIST",
        generator="garments",
        class_names=_GARMENTS,
        licence="MIT, (c) 2017 Zalando SE",
        citation="Xiao, H., Rasul, K., & Vollgraf, R. (2017). Fashion-MNIST: a novel image dataset for "
        "benchmarking machine learning algorithms. arXiv:1708.07747.",
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        issues=(
            "Shop photographs, centred and with the background removed: real pictures of clothes are harder.",
            "Shirt, T-shirt, pullover and coat overlap: people get about 84% of the images right.",
        ),
        recognised=(
            Recognised(
                "8af3abb9d39e36f9db73e2ec57f95f11cbf49ac9995b070d8714647498573fa7",
                "copy",
                "every image is there, unchanged, but in another order within each split",
            ),
        ),
    ),
    _like_mnist(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873 d53e105ee54ea40749a09fcbcd1e9432 "
        "9fb629c4189551a2d022fa330f9573f3 ec29112dd5afa0611ce80d1b7f02629c",
        name="mnist",
        title="MNIST",
        generator="plain_digits",
        class_names=_DIGITS,
        licence="none stated by the authors; commonly cited as CC BY-SA 3.0",
        citation="LeCun, Y., Bottou, L., Bengio, Y., & Haffner, P. (1998). Gradient-based learning applied "
        "to document recognition. Proceedings of the IEEE, 86(11), 2278-2324.",
        homepage="http://yann.lecun.com/exdb/mnist/",
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        issues=("Solved: simple methods pass 97%, so it hardly tells good models from better ones.",),
        recognised=(Recognised("06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64", "copy"),),
    ),
    _like_mnist(
        "bdb82020997e1d708af4cf47b453dcf7 e144d726b3acfaa3e44228e80efcd344 "
        "5c965bf0a639b31b8f53240b1b52f4d7 7320c461ea6c1c855c0b718fb2a4b134",
        name="kmnist",
        title="Kuzushiji-MNIST",
        generator="kuzushiji_like",
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        licence="CC BY-SA 4.0, CODH",
        citation="Clanuwat, T., Bober-Irizar, M., Kitamoto, A., Lamb, A., Yamamoto, K., & Ha, D. (2018). "
        "Deep learning for classical Japanese literature. arXiv:1812.01718.",
        homepage="http://codh.rois.ac.jp/kmnist/",
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        issues=("One class holds several historical forms of a character, so a class can have several clusters.",),
    ),
    Entry(
        name="cifar10",
        title="CIFAR-10",
        generator="objects",
        shape=(32, 32, 3),
        n_train=50_000,
        n_test=10_000,
        class_names=_OBJECTS,
        licence="none stated; the authors ask for citation",
        citation="Krizhevsky, A. (2009). Learning multiple layers of features from tiny images. Technical "
        "report, University of Toronto.",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        files=(RemoteFile("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),),
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        issues=("About 3.3% of the test images nearly repeat a training image (Barz & Denzler, 2020).",),
        recognised=(
            Recognised(
                "1f246f18ee1c4b008b72b11e5d912c2b6a325d41b34a6c0136bab1e640200198",
                "copy",
                "compressed with loss, median PSNR 30.5 dB against the originals, and sorted by class",
                "CIFAR-10 (JPEG copy)",
            ),
        ),
    ),
    Entry(
        name="svhn",
        title="SVHN",
        generator="house_digits",
        shape=(32, 32, 3),
        n_train=73_257,
        n_test=26_032,
        class_names=_DIGITS,
        licence="non-commercial use only",
        citation="Netzer, Y., Wang, T., Coates, A., Bissacco, A., Wu, B., & Ng, A. Y. (2011). Reading digits "
        "in natural images with unsupervised feature learning. NIPS Workshop on Deep Learning and "
        "Unsupervised Feature Learning.",
        homepage="http://ufldl.stanford.edu/housenumbers/",
        files=(
            RemoteFile("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            RemoteFile("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ),
        mirrors=("http://ufldl.stanford.edu/housenumbers/",),
        issues=(
            "The digit in the middle is the label; parts of its neighbours are in the picture too.",
            "The classes are unbalanced: there are about three times as many ones as nines.",
            "The official files write the digit 0 as class 10; the loader makes it 0.",
        ),
        recognised=(
            Recognised(
                "e8244ee282e0647bd13da46db62ded91cbfdfcc69ec01a817d61383bcb4e32f6",
                "own split",
                "the first 10,000 digits of SVHN's test set, divided at a house boundary so that no "
                "photograph is on both sides",
                "SVHN, a small split of its test set",
            ),
        ),
    ),
    Entry(
        name="omniglot",
        title="Omniglot",
        generator="characters",
        shape=(105, 105, 1),
        n_train=19_280,
        n_test=13_180,
        licence="MIT, (c) 2015 Brenden Lake",
        citation="Lake, B. M., Salakhutdinov, R., & Tenenbaum, J. B. (2015). Human-level concept learning "
        "through probabilistic program induction. Science, 350(6266), 1332-1338.",
        homepage="https://github.com/brendenlake/omniglot",
        files=(
            RemoteFile("images_background.zip", "68d2efa1b9178cc56df9314c21c6e718"),
            RemoteFile("images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811"),
        ),
        mirrors=("https://github.com/brendenlake/omniglot/raw/master/python/",),
        issues=("Drawer 1 of one alphabet need not be the person who was drawer 1 of another.",),
        recognised=(
            Recognised(
                "ca12be9c390fe7c392eb86feb74abd99a80571f91aa456b05bfa595aa68dc996",
                "own split",
                "242 characters of 8 alphabets by 20 drawers each; the alphabets held out for testing "
                "are this project's choice",
                "Omniglot, background small 1 and 2",
            ),
        ),
    ),
    Entry(
        name="pedestrians",
        title="Synthetic pedestrians",
        generator="pedestrians",
        shape=(128, 64, 3),
        licence="drawn by this project's own program, under its licence",
        issues=("Drawn figures: no person was photographed, and no score on them carries over to real footage.",),
        drawn=True,
    ),
    Entry(
        name="market1501",
        title="Market-1501",
        generator="pedestrians",
        shape=(128, 64, 3),
        n_train=12_936,
        n_test=19_732,
        licence="research use; given by its authors on request, never downloaded by this project",
        citation="Zheng, L., Shen, L., Tian, L., Wang, S., Wang, J., & Tian, Q. (2015). Scalable person "
        "re-identification: a benchmark. Proceedings of ICCV, 1116-1124.",
        issues=(
            "Surveillance footage of people who were not asked.",
            "Identity 0 marks distractors; identity -1 marks junk boxes, which the loader leaves out.",
        ),
    ),
    Entry(
        name="grocery",
        title="Grocery Store Dataset",
        generator="products",
        shape=(96, 96, 3),
        n_train=2_640,
        n_test=2_485,
        licence="MIT, (c) 2019 Marcus Klasson",
        citation="Klasson, M., Zhang, C., & Kjellström, H. (2019). A hierarchical grocery store image dataset with "
        "visual and semantic labels. Proceedings of WACV, 491-500.",
        homepage="https://github.com/marcusklasson/GroceryStoreDataset",
        issues=(
            "The official split has the same 81 products on both sides: the loader divides by product.",
            "Shots of one visit to a shop are near copies: to look a photograph up among all others flatters.",
            "Its authors' folders are nested deeper than those that are read: train, val and test/PRODUCT/*.jpg and "
            "iconic/PRODUCT.jpg.",
        ),
        recognised=(
            Recognised(
                "e917ce2c7df32768482f30c4b774c1fa61bdbd3a24d37b8cb5c6b6cccb04b210",
                "own split",
                "cut to the square in the middle, resized to 96 x 96 and compressed again, with loss",
            ),
        ),
    ),
)

CATALOG = {item.name: item for item in _ENTRIES}
"""Name to :class:`Entry`, for every data set of the course."""


def entry(name):
    """Return the :class:`Entry` of that name; it is an ``ArgumentError`` if there is none."""
    return CATALOG[check_choice("name", name, CATALOG)]


def recognise(sha256):
    """Return the :class:`Entry` and the :class:`Recognised` file that have this checksum, or ``None``."""
    for item in CATALOG.values():
        for known in item.recognised:
            if known.sha256 == sha256:
                return item, known
    return None
