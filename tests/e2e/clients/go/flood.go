package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The record of this number, as every client program makes it.
func flooding(topic, name string, seq, partitions int) *kgo.Record {
	text := []byte(fmt.Sprintf("%s %d ", name, seq))
	size := 64 + seq*7919%4001
	made := &kgo.Record{Topic: topic, Partition: int32(seq % partitions), Value: bytes.Repeat(text, size/len(text)+1)[:size]}
	if seq%5 != 0 {
		made.Key = []byte(fmt.Sprintf("%s-%d", name, seq%101))
	}
	if seq%3 == 0 {
		made.Headers = []kgo.RecordHeader{{Key: "seq", Value: []byte(strconv.Itoa(seq))}}
	}
	return made
}

func flood(ctx context.Context, c command) (any, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec(c.Compression)),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var mutex sync.Mutex
	var fault error
	count := 0
	for seq := 0; seq < c.Count; seq++ {
		client.Produce(ctx, flooding(c.Topic, c.Name, seq, c.Partitions), func(_ *kgo.Record, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil && fault == nil {
				fault = err
			}
			count++
			if count%500 == 0 {
				fmt.Printf("{\"progress\": %d}\n", count)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return nil, err
	}
	mutex.Lock()
	defer mutex.Unlock()
	return map[string]int{"sent": count}, fault
}

// Where each partition ends. A leader that is new says only after a moment what is committed (KIP-207).
func ends(ctx context.Context, client *kgo.Client, topic string) (kadm.ListedOffsets, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
		if err == nil {
			err = listed.Error()
		}
		if err == nil || !kerr.IsRetriable(err) {
			return listed, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Reads the whole topic and compares it with what the clients sent: each record once, in order per partition, equal in
// every byte, and nothing else.
func verify(ctx context.Context, c command) (any, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumeTopics(c.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	listed, err := ends(ctx, client, c.Topic)
	if err != nil {
		return nil, err
	}
	left := int64(0)
	listed.Each(func(end kadm.ListedOffset) { left += end.Offset })
	wanted := 0
	next := map[string][]int{}
	for name, count := range c.Clients {
		wanted += count
		for partition := 0; partition < c.Partitions; partition++ {
			next[name] = append(next[name], partition)
		}
	}
	there := left
	size := 0
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		var wrong error
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			size += len(r.Key) + len(r.Value)
			if wrong == nil {
				wrong = check(r, next, c.Partitions)
			}
		})
		if wrong != nil {
			return nil, fmt.Errorf("%w (%d records are there, %d were sent)", wrong, there, wanted)
		}
	}
	for name, count := range c.Clients {
		for partition, seq := range next[name] {
			if seq < count {
				return nil, fmt.Errorf("%s: record %d of partition %d is missing", name, seq, partition)
			}
		}
	}
	if there != int64(wanted) {
		return nil, fmt.Errorf("%d records are there, %d were sent", there, wanted)
	}
	return map[string]int{"records": wanted, "bytes": size}, nil
}

func check(r *kgo.Record, next map[string][]int, partitions int) error {
	name, rest, _ := bytes.Cut(r.Value, []byte(" "))
	number, _, _ := bytes.Cut(rest, []byte(" "))
	seq, err := strconv.Atoi(string(number))
	expected, known := next[string(name)]
	if err != nil || !known {
		return fmt.Errorf("partition %d offset %d holds what nobody sent: %.60q", r.Partition, r.Offset, r.Value)
	}
	if expected[r.Partition] != seq {
		return fmt.Errorf("partition %d offset %d: %s sent %d next, and %d came", r.Partition, r.Offset, name, expected[r.Partition], seq)
	}
	expected[r.Partition] += partitions
	made := flooding(r.Topic, string(name), seq, partitions)
	same := bytes.Equal(made.Key, r.Key) && bytes.Equal(made.Value, r.Value) && (made.Key == nil) == (r.Key == nil) && len(made.Headers) == len(r.Headers)
	for index := 0; same && index < len(made.Headers); index++ {
		same = made.Headers[index].Key == r.Headers[index].Key && bytes.Equal(made.Headers[index].Value, r.Headers[index].Value)
	}
	if !same {
		return fmt.Errorf("partition %d offset %d: record %d of %s has changed", r.Partition, r.Offset, seq, name)
	}
	return nil
}
