package kube

import (
	"encoding/base64"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// content returns what a ConfigMap or Secret holds, decoded.
func content(u *unstructured.Unstructured) map[string][]byte {
	decoded := map[string][]byte{}
	plain, encoded := u.Object["data"], u.Object["binaryData"]
	if u.GetKind() == "Secret" {
		plain, encoded = nil, plain
	}
	for name, value := range stringsOf(plain) {
		decoded[name] = []byte(value)
	}
	for name, value := range stringsOf(encoded) {
		// The server takes nothing that is not base64.
		if data, err := base64.StdEncoding.DecodeString(value); err == nil {
			decoded[name] = data
		}
	}
	return decoded
}

func stringsOf(field any) map[string]string {
	values := map[string]string{}
	fields, _ := field.(map[string]any)
	for name, value := range fields {
		if text, ok := value.(string); ok {
			values[name] = text
		}
	}
	return values
}
