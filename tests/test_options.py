import msgspec

from realtime_engine.options import FLUSH_BYTES, FLUSH_SECONDS, Limits, Policy, SessionOptions, ToolSchema


def test_the_fixed_defaults_are_what_was_promised() -> None:
    options = SessionOptions()

    assert (options.flush_bytes, options.flush_seconds) == (FLUSH_BYTES, FLUSH_SECONDS) == (8192, 1.0)
    assert (options.keep_items, options.keep_audio) == (1000, 30.0)


def test_options_survive_being_written_into_a_recording() -> None:
    options = SessionOptions(
        mode="transparent",
        upstream="local",
        settings=msgspec.Raw(b'{"type":"realtime","instructions":"be brief"}'),
        lead=0.2,
        reports=True,
        tools=(ToolSchema(name="weather", parameters=msgspec.Raw(b'{"type":"object"}')),),
        policy=Policy(pinned={"model": "chosen by the operator"}, may_set=("audio.output.voice",)),
        limits=Limits(duration=60.0, tokens=1000),
    )

    assert msgspec.json.decode(msgspec.json.encode(options), type=SessionOptions) == options


def test_an_option_that_an_old_recording_lacks_means_the_old_behaviour() -> None:
    assert msgspec.json.decode(b"{}", type=SessionOptions) == SessionOptions()
    assert msgspec.json.decode(b'{"an_option_of_tomorrow":1}', type=SessionOptions) == SessionOptions()
