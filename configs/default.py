"""Every field of a config, with its unit or reason. Defaults live here and nowhere else.

An experiment's config file imports this one and changes a few fields; the command line changes
more: ``--config.epochs=3 --config.optimizer.learning_rate=0.05``.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """The defaults: the paper's LeNet5 recipe on the embedded data set."""
    config = ConfigDict()
    config.name = "default"  # of the experiment: titles, and the run folder runs/<name>
    config.seed = 0  # of weights and shuffles; with the member's number it decides both
    config.network = "lenet5"  # or vgg16, resnet50, densenet121, ...; see jagree/registry.py
    # What networks compute in. tensorfloat32: float32 whose products and convolutions round their
    # factors to 10 bits (3 digits) where the device can: NVIDIA GPUs from Ampere on; a TPU is more
    # precise, a CPU computes float32. bfloat16: activations of 7 bits (2 digits). Weights, their
    # updates, BatchNorm's moments and the logits are float32 always.
    config.precision = "float32"
    config.members = 5  # networks trained at once; the paper's number
    config.epochs = 60  # passes over the training split
    config.batch_size = 128  # examples; the last batch of an epoch may be smaller
    config.task = "auto"  # single_label or multi_label: the loss, and when a prediction is right

    config.data = ConfigDict()
    config.data.name = "controlled"
    config.data.set = ""  # which one, of source tfds or hf: mnist, uoft-cs/cifar10, ...
    # Where the data is. TFDS's sets: "" is TFDS_DATA_DIR or ~/tensorflow_datasets. Source folder:
    # the folder of images. Source hf: a folder of parquet files; "" is the Hugging Face hub.
    config.data.dir = ""
    config.data.train_split = ""  # of tfds, hf, folder; "": the source's own choice
    config.data.test_split = ""
    config.data.test_share = 0.0  # of the train split, held out as the test split; 0: it has one
    config.data.image = ""  # feature or column of tfds or hf that is the image; "": the only one
    config.data.label = ""  # the same for the label
    config.data.leave_out = ()  # ids of examples to do without
    config.data.train_size = 5_000  # so many examples, drawn at random by id; 0: all
    config.data.test_size = 1_000  # the same for the test split
    config.data.seed = 0  # of synthetic images, samples and label noise; not of the training
    config.data.label_noise = 0.0  # probability that a label is replaced by a uniform one
    config.data.test_label_noise = False  # whether test labels are replaced as well
    config.data.resize = 0  # pixels of the shorter side, for the networks; 0: the original size
    config.data.crop = 0  # pixels a side of what the networks see; 0: the whole image
    config.data.random_crop = True  # in training; in evaluation, and else, the centre
    config.data.workers = 0  # processes that decode and resize; 0: one per core
    config.data.cache = ""  # of resized images; "": the folder prepared beside the run's
    config.data.cifar10h = ""  # cifar10: cifar10h-probs.npy, what people see in the test images
    config.data.search_difficulty = ""  # voc: VSD_dataset.csv, how long people search an image
    config.data.ignore_difficult = ("test",)  # voc: splits in which difficult objects do not count
    config.data.test_sample = "a"  # kth_tips2b: the sample to test on; the authors' code has c

    config.optimizer = ConfigDict()
    config.optimizer.name = "sgd"  # or adam
    config.optimizer.learning_rate = 0.1  # at the start; of one_cycle, at the peak
    config.optimizer.momentum = 0.9  # of adam, beta1
    config.optimizer.beta2 = 0.999  # of adam
    config.optimizer.epsilon = 1e-8  # of adam
    config.optimizer.weight_decay = 5e-4  # coupled L2, on all parameters

    config.schedule = ConfigDict()
    config.schedule.name = "cosine"  # or constant, step, one_cycle
    config.schedule.final_learning_rate = 5e-4  # where the cosine would end
    config.schedule.step_epochs = 30  # of step: every so many epochs the rate is multiplied
    config.schedule.step_factor = 0.1  # by this
    # Of one_cycle; as in PyTorch.
    config.schedule.rise = 0.3  # share of the run's steps in which the rate goes up
    config.schedule.start_divisor = 25.0  # it starts at the peak's rate divided by this
    config.schedule.end_divisor = 1e4  # and ends at the start's rate divided by this
    config.schedule.cycle_momentum = True  # the momentum goes down and up again; False: it stays
    config.schedule.momentum_low = 0.85  # at the rate's peak
    config.schedule.momentum_high = 0.95  # at both ends

    # What members differ in: empty, or one value per member in place of the common one.
    config.per_member = ConfigDict()
    config.per_member.network = ()  # members of one network are trained together
    config.per_member.learning_rate = ()
    config.per_member.weight_decay = ()
    config.per_member.label_noise = ()

    config.recording = ConfigDict()
    # How training examples are judged. epoch_end: in a pass of its own after each epoch, weights
    # fixed. online: in the training forward pass, each batch before its update (the authors' way,
    # no extra cost). Test examples are always judged at the end of the epoch.
    config.recording.mode = "epoch_end"
    config.recording.untrained = False  # record the networks before training, too, as epoch 0

    # How, not what: these fields may change when a run is resumed.
    config.training = ConfigDict()
    config.training.engine = "auto"  # vmap (stacked members), loop (in turn), auto by the device
    # Devices: rows that members are spread over x parts of each batch, as 8x1 or 4x2. auto: as many
    # rows as members can use, batches whole; see docs/cloud.md.
    config.training.mesh = "auto"
    config.training.steps_per_dispatch = 0  # 0: by the device, 1 on a CPU and 100 elsewhere
    config.training.eval_batch_size = 0  # examples; 0: by the device, 125 on a CPU, else 1,000
    config.training.feed = "auto"  # resident (images on the device), stream, auto by their size
    config.training.feed_workers = 0  # processes that cut crops for stream; 0: threads of this one
    # Compiled programs, kept for the next start: a folder; "": jagree/compiled in XDG_CACHE_HOME or
    # ~/.cache; off: none are kept. If JAX was told a folder (JAX_COMPILATION_CACHE_DIR), that one.
    config.training.compilation_cache = ""
    config.training.check_memory = True  # whether a run that will not fit into memory is refused
    config.training.checkpoint_every = 1  # epochs; a killed run repeats at most so many
    # Steps from one checkpoint within an epoch to the next, for epochs that take hours; 0: none.
    # A run that is told to end (SIGTERM) saves where it is, and repeats nothing.
    config.training.checkpoint_steps = 0
    config.training.tensorboard = True  # whether numbers are written for TensorBoard, too

    # Measured once per data set and settings, and found again by other runs beside this one.
    config.statistics = ConfigDict()
    config.statistics.names = (
        "entropy",
        "entropy_uint8",
        "dct_share",
        "dct_share_ac",
        "segments",
        "gradient_strength",
        "edge_strength",
    )
    config.statistics.dir = ""  # where they are kept; "": the folder statistics beside the run's
    config.statistics.workers = 0  # processes; 0: one per core
    config.statistics.jpeg75 = False  # as JPEG, quality 75: what the authors measured on CIFAR-10
    config.statistics.resize = (
        0  # pixels, to a square; 0: the original size. The paper's ImageNet: 128
    )
    config.statistics.resized = ("entropy", "entropy_uint8", "dct_share", "dct_share_ac")
    config.statistics.edges = ConfigDict()
    config.statistics.edges.preset = (
        "speedy"  # or accurate_low_res, which takes several times longer
    )
    config.statistics.edges.seed = 0  # with an image's id it decides what is drawn at random
    config.statistics.edges.repeats = 1  # seeds that are averaged; 1 as in the paper
    # Of each split measure only so many, drawn at random, rounded up to whole parts of 20 (in which
    # values are kept); 0: all.
    config.statistics.edges.examples = 0

    config.study = ConfigDict()
    config.study.leave_out = ()  # members that tables and figures do without; say, diverged ones
    config.study.resamples = 400  # bootstrap resamples behind each interval (95 %)
    config.study.seed = 0  # of every bootstrap
    config.study.palette = "safe"  # colours of the figures: for the colour-blind, or the "paper"'s
    return config
