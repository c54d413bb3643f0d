const page = "https://html.spec.whatwg.org/multipage/server-sent-events.html";
const parsing = `${page}#parsing-an-event-stream`;
const interpreting = `${page}#event-stream-interpretation`;
const field = `${page}#processField`;
const dispatch = `${page}#dispatchMessage`;

/** One clause of the HTML Standard, sections 9.2.5 and 9.2.6, in our words. A test cites it in its title as `§id`. */
export interface Requirement {
  readonly clause: string;
  readonly see: string;
}

/** Every clause about the wire; `requirements.node.test.ts` fails where one is cited by no test. */
export const requirements: Readonly<Record<string, Requirement>> = {
  "stream-utf8": { see: parsing, clause: "The stream is decoded as UTF-8; what is not UTF-8 becomes U+FFFD." },
  "stream-bom": { see: parsing, clause: "One byte order mark at the very start is ignored." },
  "stream-bom-elsewhere": { see: parsing, clause: "A byte order mark anywhere else is a character as others are." },
  "stream-line-ends": { see: parsing, clause: "CRLF, LF and CR each end a line; CRLF is one end, not two." },
  "stream-any-char": { see: parsing, clause: "Every character but LF and CR may stand in a value, NUL included." },
  "stream-name-char": { see: parsing, clause: "A field name is one or more characters other than LF, CR and colon." },
  "stream-buffering": {
    see: parsing,
    clause: "Buffering must not delay an event, whichever line end the server uses.",
  },
  order: { see: interpreting, clause: "Lines are processed in the order in which they come." },
  "line-empty": { see: interpreting, clause: "An empty line dispatches the event." },
  "line-comment": { see: interpreting, clause: "A line that starts with a colon is ignored." },
  "line-field": {
    see: interpreting,
    clause: "The first colon ends the field name; one space after it is not of the value.",
  },
  "line-no-colon": { see: interpreting, clause: "A line without a colon is a field name with an empty value." },
  "end-discards": { see: interpreting, clause: "What lacks its empty line when the stream ends is discarded." },
  "field-event": { see: field, clause: "`event` sets the event type; the last one counts, an empty one resets it." },
  "field-data": { see: field, clause: "`data` appends its value and a LF to the data." },
  "field-id": { see: field, clause: "`id` sets the last event ID buffer; an empty one resets it." },
  "field-id-nul": { see: field, clause: "An `id` that contains NUL is ignored." },
  "field-retry": { see: field, clause: "`retry` of ASCII digits only sets the reconnection time, in base ten." },
  "field-retry-other": { see: field, clause: "Any other `retry` is ignored." },
  "field-unknown": { see: field, clause: "Any other field is ignored." },
  "field-name-literal": { see: field, clause: "Field names are compared as they are, case included." },
  "dispatch-id-first": { see: dispatch, clause: "The last event ID is set even where there is no data to dispatch." },
  "dispatch-no-data": { see: dispatch, clause: "Without data nothing is dispatched, and the event type is forgotten." },
  "dispatch-last-lf": { see: dispatch, clause: "The last LF of the data is removed, and only that one." },
  "dispatch-type": { see: dispatch, clause: "The event has the type that was set, or else `message`." },
  "dispatch-id-stays": { see: dispatch, clause: "The last event ID stays for later events until it is set again." },
  "dispatch-resets": { see: dispatch, clause: "After a dispatch, data and event type start empty." },
};
