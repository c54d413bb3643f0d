export { SluiceError } from "./errors.ts";
export type { SluiceErrorCode, SluiceErrorDetails } from "./errors.ts";

export type { ServerSentEvent } from "./event.ts";
export { encodeEvent, EventEncoderStream, MAX_ENCODED_BYTES } from "./encode.ts";

export { createDecoder } from "./decode.ts";
export type { DecodedEvent, Decoder, DecodeOptions, DecoderLimits, DecoderOptions } from "./decode.ts";
export { decodeEventStream, EventDecoderStream } from "./decode-stream.ts";
export type { DecodeEventStreamOptions, EventStreamBody } from "./decode-stream.ts";

export { eventStream, respondWithStream } from "./event-stream.ts";
export type { FetchNative, StreamingOptions, StreamingResponse } from "./event-stream.ts";
export type { EventSequence, Source, SourceFunction } from "./source.ts";
export type { Connection, Exchange } from "./connection.ts";
export type { Resume } from "./request.ts";
export type { Authorization, AuthorizationError, EventStreamOptions, HeadersSource, MappedEvent } from "./options.ts";

export { isFetchRequest, refuseCall } from "./wrong-call.ts";
export { createResponder } from "./respond.ts";
export type { Responder, RespondingWriter } from "./respond.ts";
export { createWriter } from "./writer.ts";
export type { CloseReason, Sink, SinkEnd, Writer, WriterOptions } from "./writer.ts";

export type {
  Appended,
  AppendOptions,
  Cursor,
  EventId,
  EventStore,
  GapReason,
  NewEvent,
  Position,
  Producer,
  ReadOptions,
  Slice,
  StoredEvent,
} from "./event-store.ts";
export { formatEventId, ORIGIN, parseEventId, positionOf, randomEpoch, randomTag, resolveCursor } from "./cursor.ts";
export type { EventIdParts, LogBounds, LogMark, ResolvedCursor, Start } from "./cursor.ts";
export { resolveAppend } from "./append.ts";
export type { AppendState, LogEntry, ProducerMark, ResolvedAppend } from "./append.ts";
export { memoryStore } from "./memory-event-store.ts";
export type { MemoryStoreOptions } from "./memory-event-store.ts";
export { logRules, resolveLogLimits } from "./retention.ts";
export type { LogLimits, LogOptions, Retention } from "./retention.ts";
export { aDuration, aSize, checkOptions } from "./check-options.ts";
export type { Rule } from "./check-options.ts";

export { createHub } from "./hub.ts";
export type { Hub, HubOptions } from "./hub.ts";
export type { Channel, ChannelGroup, PublishedEvent, PublishOptions } from "./channel.ts";
export type { ChannelEvent, ChannelItem } from "./segment.ts";
export type { Delivery, HubObserver, HubStats, Refusal } from "./observe.ts";
