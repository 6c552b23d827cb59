/** Texts of the scripted models in the recordings. */
export const plainText =
  'Hello! I am a scripted model running inside a real Ollama server. Every token you see was picked by the sampler ' +
  'from a tiny network, so this answer stays the same, whatever the temperature or the seed.';
export const thought = 'The user greets me. A short polite reply will do.\n';
export const greeting = 'Good day to you! How may I help?';
export const weatherText = 'It is 18 degrees and sunny in Paris right now.';
export const brokenCallText = `error parsing tool call: raw='{"city": "Seoul", "unit', err=unexpected end of JSON input`;
export const incompleteText = 'The model stopped before its answer was complete.';
export const brokenConnectionText = 'The upstream broke the connection in the middle of its answer.';
export const busyText = 'server busy, please try again.  maximum pending requests exceeded';
export const killedRunnerText = 'an error was encountered while running the model: unexpected EOF';
