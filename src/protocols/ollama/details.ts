import type { ModelDetails } from 'ollama';

/** Other backends report none of this, but clients read the fields without checking that they exist. */
export const unknownDetails: ModelDetails = {
  parent_model: '',
  format: '',
  family: '',
  families: [],
  parameter_size: '',
  quantization_level: '',
};
