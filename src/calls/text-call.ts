/** A call that a model wrote as text. */
export interface TextCall {
  readonly name: string;
  /** The text of its arguments: the JSON of an object, once it is read. */
  readonly arguments: string;
}
