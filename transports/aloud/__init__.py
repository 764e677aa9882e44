"""What fronts share that are a microphone, a loudspeaker and a screen: an ear, and somebody who tells what happens."""
