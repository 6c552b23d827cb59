import type { ModelDetails } from 'ollama';

/** Other backends tell none of it; clients read the fields without asking whether they are there. */
export const unknownDetails: ModelDetails = {
  parent_model: '',
  format: '',
  family: '',
  families: [],
  parameter_size: '',
  quantization_level: '',
};
