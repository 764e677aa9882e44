"""Recordings: the session's boundary written down, read again, replayed and compared.

The format is in ``docs/recording-format.md``. What opens files is `writer`, `live`, `keep`, `shelf`, `reader`,
`sounds`, `pack` and `accept`; all else here is pure.

    lines     an input or a command <-> a line of events.jsonl
    frames    a frame's text with its audio taken out, and put back byte for byte
    redact    secrets, out of what is written down
    about     recording.json
    wav       the headers of the audio files
    writer    write, at once: for `simulate`
    live      write, in a thread: for `converse`
    keep      write those of a server, within a quota and a time
    shelf     what the recordings of a folder take, and which must go
    sounds    the audio files, read
    reader    a recording, opened
    replay    feed it to the session of today, and find the first difference
    show      an event, and a difference, as a person would want them
    story     turns, latencies, interruptions, usage
    pack      audio into FLAC
    accept    today's commands in the place of the recorded ones
"""
