// franz-go behind the commands of ../README.md.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type record struct {
	P int32       `json:"p"`
	O int64       `json:"o"`
	K *string     `json:"k"`
	V *string     `json:"v"`
	H [][2]string `json:"h"`
	T int64       `json:"t"`
}

type command struct {
	Do, Bootstrap, Topic, Group, Compression, Key string
	Name                                          string
	Records                                       []record
	Count, Partitions                             int
	Clients                                       map[string]int
	Configs                                       map[string]string
}

var bootstrap string

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<30)
	for lines.Scan() {
		var c command
		answer := any(nil)
		err := json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			limit := time.Minute
			if c.Do == "flood" || c.Do == "verify" {
				limit = time.Hour
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			answer, err = handle(ctx, c)
			cancel()
		}
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		text, _ := json.Marshal(answer)
		fmt.Println(string(text))
	}
}

func handle(ctx context.Context, c command) (any, error) {
	switch c.Do {
	case "connect":
		bootstrap = c.Bootstrap
		return map[string]int{}, nil
	case "produce":
		return produce(ctx, c)
	case "consume":
		return consume(ctx, c)
	case "flood":
		return flood(ctx, c)
	case "verify":
		return verify(ctx, c)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return administrate(ctx, c, kadm.NewClient(client))
}

func codec(name string) kgo.CompressionCodec {
	return map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[name]
}

func produce(ctx context.Context, c command) (any, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec(c.Compression)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var records []*kgo.Record
	for _, r := range c.Records {
		made := &kgo.Record{Topic: c.Topic, Partition: r.P, Key: unhex(r.K), Value: unhex(r.V), Timestamp: time.UnixMilli(r.T)}
		for _, h := range r.H {
			made.Headers = append(made.Headers, kgo.RecordHeader{Key: h[0], Value: unhex(&h[1])})
		}
		records = append(records, made)
	}
	places := [][2]int64{}
	for _, result := range client.ProduceSync(ctx, records...) {
		if result.Err != nil {
			return nil, result.Err
		}
	}
	for _, made := range records {
		places = append(places, [2]int64{int64(made.Partition), made.Offset})
	}
	return map[string]any{"at": places}, nil
}

func consume(ctx context.Context, c command) (any, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics(c.Topic),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	read := []record{}
	for len(read) < c.Count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("only %d records came: %w", len(read), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			found := record{P: r.Partition, O: r.Offset, K: hexed(r.Key), V: hexed(r.Value), H: [][2]string{}, T: r.Timestamp.UnixMilli()}
			for _, h := range r.Headers {
				found.H = append(found.H, [2]string{h.Key, *hexed(h.Value)})
			}
			read = append(read, found)
		})
	}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return nil, err
	}
	return map[string]any{"records": read}, nil
}

func administrate(ctx context.Context, c command, admin *kadm.Client) (any, error) {
	switch c.Do {
	case "create_topic":
		configs := map[string]*string{}
		for key, value := range c.Configs {
			configs[key] = &value
		}
		_, err := admin.CreateTopic(ctx, int32(c.Partitions), 1, configs, c.Topic)
		return map[string]int{}, err
	case "delete_topic":
		_, err := admin.DeleteTopic(ctx, c.Topic)
		return map[string]int{}, err
	case "topics":
		listed, err := admin.ListTopics(ctx)
		names := listed.Names()
		sort.Strings(names)
		return map[string]any{"topics": names}, err
	case "config":
		described, err := admin.DescribeTopicConfigs(ctx, c.Topic)
		if err != nil {
			return nil, err
		}
		for _, entry := range described[0].Configs {
			if entry.Key == c.Key {
				return map[string]any{"value": entry.Value}, nil
			}
		}
		return nil, fmt.Errorf("no such key")
	}
	return nil, fmt.Errorf("unknown command %q", c.Do)
}

func unhex(text *string) []byte {
	if text == nil {
		return nil
	}
	// A present but empty value is not a missing one.
	data, err := hex.DecodeString(*text)
	if err != nil {
		panic(err)
	}
	return append([]byte{}, data...)
}

func hexed(data []byte) *string {
	if data == nil {
		return nil
	}
	text := hex.EncodeToString(data)
	return &text
}
