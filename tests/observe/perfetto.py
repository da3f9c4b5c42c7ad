# SPDX-License-Identifier: MIT
"""A trace's file by Google's protobuf library, from the fields that Perfetto's .proto files give
(github.com/google/perfetto, protos/perfetto/trace): a reader that shares nothing with ours."""
import sys

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:
    print("skipped: no google.protobuf (Debian: python3-protobuf)")
    sys.exit(77)

# Message: {field: (number, type)}; a type in [] is repeated.
MESSAGES = {
    "Trace": {"packet": (1, ["TracePacket"])},
    "TracePacket": {
        "clock_snapshot": (6, "ClockSnapshot"), "timestamp": (8, "uint64"),
        "trusted_packet_sequence_id": (10, "uint32"), "track_event": (11, "TrackEvent"),
        "interned_data": (12, "InternedData"), "sequence_flags": (13, "uint32"),
        "trace_packet_defaults": (59, "Defaults"), "track_descriptor": (60, "TrackDescriptor")},
    "Defaults": {"timestamp_clock_id": (58, "uint32")},
    "ClockSnapshot": {"clocks": (1, ["Clock"])},
    "Clock": {"clock_id": (1, "uint32"), "timestamp": (2, "uint64")},
    "InternedData": {"event_categories": (1, ["Text"]), "event_names": (2, ["Text"]),
                     "debug_annotation_names": (3, ["Text"])},
    "Text": {"iid": (1, "uint64"), "name": (2, "string")},
    "TrackEvent": {
        "category_iids": (3, ["uint64"]), "debug_annotations": (4, ["Annotation"]),
        "type": (9, "uint32"), "name_iid": (10, "uint64"), "track_uuid": (11, "uint64"),
        "counter_value": (30, "int64"), "flow_ids": (47, ["fixed64"]),
        "terminating_flow_ids": (48, ["fixed64"])},
    "Annotation": {"name_iid": (1, "uint64"), "string_value": (6, "string")},
    "TrackDescriptor": {
        "uuid": (1, "uint64"), "name": (2, "string"), "process": (3, "Process"),
        "thread": (4, "Thread"), "parent_uuid": (5, "uint64"), "counter": (8, "Counter")},
    "Process": {"pid": (1, "int32"), "process_name": (6, "string")},
    "Thread": {"pid": (1, "int32"), "tid": (2, "int32"), "thread_name": (5, "string")},
    "Counter": {},
}
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4


def trace_class():
    file = descriptor_pb2.FileDescriptorProto(name="trace.proto", package="t", syntax="proto2")
    for message, fields in MESSAGES.items():
        told = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            field = told.field.add(name=name, number=number)
            is_many = isinstance(kind, list)
            kind = kind[0] if is_many else kind
            field.label = field.LABEL_REPEATED if is_many else field.LABEL_OPTIONAL
            if kind in MESSAGES:
                field.type, field.type_name = field.TYPE_MESSAGE, ".t." + kind
            else:
                field.type = getattr(field, "TYPE_" + kind.upper())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("t.Trace"))


class Event:
    def __init__(self, order, ns, event, names, categories, annotations):
        self.order, self.ns, self.type = order, ns, event.type
        self.track, self.value = event.track_uuid, event.counter_value
        self.name = names[event.name_iid] if event.name_iid else None
        self.category = categories[event.category_iids[0]] if event.category_iids else None
        self.flows, self.last_flows = list(event.flow_ids), list(event.terminating_flow_ids)
        self.notes = {annotations[note.name_iid]: note.string_value
                      for note in event.debug_annotations}


class Trace:
    """events: in the order of time. tracks: {uuid: descriptor}."""

    def __init__(self, path):
        trace = trace_class()()
        trace.ParseFromString(path.read_bytes())
        names, categories, annotations = {}, {}, {}
        self.tracks, self.events, self.clocks = {}, [], {}
        self.first = trace.packet[0]
        clock = None
        for order, packet in enumerate(trace.packet):
            assert packet.trusted_packet_sequence_id == 1, packet
            for clock_read in packet.clock_snapshot.clocks:
                self.clocks[clock_read.clock_id] = clock_read.timestamp
            if packet.HasField("trace_packet_defaults"):
                clock = packet.trace_packet_defaults.timestamp_clock_id
            for known, texts in [(names, packet.interned_data.event_names),
                                 (categories, packet.interned_data.event_categories),
                                 (annotations, packet.interned_data.debug_annotation_names)]:
                for text in texts:
                    assert text.iid not in known, text
                    known[text.iid] = text.name
            if packet.HasField("track_descriptor"):
                assert packet.track_descriptor.uuid not in self.tracks, packet
                self.tracks[packet.track_descriptor.uuid] = packet.track_descriptor
            if packet.HasField("track_event"):
                assert packet.track_event.track_uuid in self.tracks, packet
                self.events.append(Event(order, packet.timestamp, packet.track_event, names,
                                         categories, annotations))
        assert clock in self.clocks, "the clock of the events is not among those of the snapshot"
        self.events.sort(key=lambda event: (event.ns, event.order))

    def threads(self):
        return {uuid for uuid, track in self.tracks.items() if track.HasField("thread")}

    def spans(self):
        """[(track, depth, name, category, begin, end)]; all must be nested and closed."""
        spans, open_spans = [], {}
        for event in self.events:
            stack = open_spans.setdefault(event.track, [])
            if event.type == BEGIN:
                stack.append(event)
            elif event.type == END:
                assert stack, "an end without a beginning at %d" % event.ns
                begin = stack.pop()
                spans.append((event.track, len(stack), begin.name, begin.category, begin.ns,
                              event.ns))
        assert not any(open_spans.values()), "spans that don't end"
        return spans

    def flows(self):
        """Lists of the events of each flow: one that is at an end begins anew."""
        flows, current = [], {}
        for event in self.events:
            for flow in event.flows + event.last_flows:
                if flow not in current:
                    current[flow] = []
                    flows.append(current[flow])
                current[flow].append(event)
            for flow in event.last_flows:
                del current[flow]
        return flows
