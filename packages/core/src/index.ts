export { SluiceError } from "./errors.ts";
export type { SluiceErrorCode, SluiceErrorDetails } from "./errors.ts";

export type { ServerSentEvent } from "./event.ts";
export { encodeEvent, EventEncoderStream } from "./encode.ts";

export { createDecoder } from "./decode.ts";
export type { DecodedEvent, Decoder, DecodeOptions, DecoderLimits, DecoderOptions } from "./decode.ts";
export { decodeEventStream, EventDecoderStream } from "./decode-stream.ts";
export type { DecodeEventStreamOptions, EventStreamBody } from "./decode-stream.ts";
