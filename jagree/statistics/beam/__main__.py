"""``python -m jagree.statistics.beam --config=... --output=FOLDER -- [options of Beam]``.

    python -m jagree.statistics.beam --config=configs/cifar10_lenet5.py --output=gs://BUCKET/parts \
        -- --runner=DataflowRunner --project=P --region=R --temp_location=gs://BUCKET/tmp \
        --sdk_container_image=IMAGE_WITH_JAGREE

measures in parts; what is there is not measured again. Then copy the folder here and let
``python -m jagree.statistics --config=... --config.statistics.dir=FOLDER`` join it.
"""

from collections.abc import Sequence

from absl import app, flags
from ml_collections import ConfigDict

from jagree import commandline
from jagree.errors import UsageError

_OUTPUT = flags.DEFINE_string(
    "output", "runs/statistics", "The folder of the parts, local or gs://... "
)


def main(argv: Sequence[str]) -> int:
    """Run the pipeline; the exit code."""
    try:
        commandline.refuse_arguments(argv[:1])
        config = commandline.config()
        if config is None:
            raise UsageError("say of what: --config=configs/quickstart.py, for one")
        failed = _run(config, argv[1:])
    except UsageError as error:
        return commandline.fail(str(error))
    return commandline.INCOMPLETE if failed else 0


def _run(config: ConfigDict, options: Sequence[str]) -> int:
    """Measure; how many values could not be."""
    from jagree import config as rules

    rules.check(config)
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise UsageError("Apache Beam is not installed; pip install 'jagree[beam]'") from error
    from jagree.statistics.beam.pipeline import build

    pipeline = apache_beam.Pipeline(options=PipelineOptions(list(options)))
    build(pipeline, config, _OUTPUT.value) | apache_beam.Map(print)
    result = pipeline.run()
    result.wait_until_finish()
    print(f"parts: {_OUTPUT.value}; join them by python -m jagree.statistics")
    counters = result.metrics().query()["counters"]
    return sum(c.result for c in counters if c.key.metric.name == "failed")


if __name__ == "__main__":
    app.run(main, flags_parser=commandline.parse)
