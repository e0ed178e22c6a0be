package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/openim-dr/openim-dr/internal/testbed/port"
)

const emulatorBucket = "bench"

// emulator is an emulator of GCS of the benchmark's own. It keeps its objects in
// a directory: the one in the testbed has them in memory and looks at all of them
// to find one, which with many would be all that is measured.
type emulator struct {
	host    string
	data    string
	process *exec.Cmd
}

func startEmulator(ctx context.Context, program, data string) (*emulator, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	address := port.Address(port.Choose())
	e := &emulator{host: "http://" + address, data: data, process: exec.CommandContext(ctx, program, "-listen", address, "-data", data)}
	if err := e.process.Start(); err != nil {
		return nil, err
	}
	if err := e.await(ctx); err != nil {
		return nil, errors.Join(err, e.stop())
	}
	return e, nil
}

// await makes the bucket as soon as the emulator answers.
func (e *emulator) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := e.makeBucket(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the emulator of GCS: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (e *emulator) makeBucket(ctx context.Context) error {
	body := strings.NewReader(fmt.Sprintf(`{"name": %q}`, emulatorBucket))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.host+"/storage/v1/b?project=bench", body)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("make bucket: %s", response.Status)
	}
	return errors.Join(err, response.Body.Close())
}

func (e *emulator) stop() error {
	if err := e.process.Process.Kill(); err != nil {
		return err
	}
	_ = e.process.Wait() // it was killed
	return nil
}
