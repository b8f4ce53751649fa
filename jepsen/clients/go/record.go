package main

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kgo"
)

const headBytes = 16

// The record of this number: whoever reads it can tell what it must be, byte by byte.
func made(process int, number int64, partition int) *kgo.Record {
	name, at := topic(partition)
	value := make([]byte, max(*size, headBytes))
	binary.BigEndian.PutUint32(value, uint32(process))
	binary.BigEndian.PutUint64(value[4:], uint64(number))
	binary.BigEndian.PutUint32(value[12:], uint32(partition))
	for index := headBytes; index < len(value); index++ {
		value[index] = filler(process, number, index)
	}
	return &kgo.Record{Topic: name, Partition: at, Value: value}
}

func filler(process int, number int64, index int) byte {
	return byte(int64(process)*31 + number*7 + int64(index))
}

// Who sent a record, and its number; false if it is no record that anybody sent to this partition.
func unmade(r *kgo.Record, partition int) (int, int64, bool) {
	if len(r.Value) != max(*size, headBytes) || r.Key != nil {
		return 0, 0, false
	}
	process, number := int(binary.BigEndian.Uint32(r.Value)), int64(binary.BigEndian.Uint64(r.Value[4:]))
	good := int(binary.BigEndian.Uint32(r.Value[12:])) == partition
	for index := headBytes; index < len(r.Value) && good; index++ {
		good = r.Value[index] == filler(process, number, index)
	}
	return process, number, good
}
