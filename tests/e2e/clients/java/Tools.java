// Apache Kafka's own command line tools, by their main methods, with input, output and exit code caught.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

public class Tools implements Driver.Extension {
    /** Thrown in place of the end of the process when a tool exits. */
    static class Exited extends RuntimeException {
        final int code;

        Exited(int code) {
            this.code = code;
        }
    }

    @Override
    public void handle(JsonNode command, ObjectNode answer) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new Exited(code);
        });
        Exit.setHaltProcedure((code, message) -> {
            throw new Exited(code);
        });
        List<Runnable> atExit = new ArrayList<>();
        Exit.setShutdownHookAdder((name, runnable) -> atExit.add(runnable));
        InputStream input = System.in;
        PrintStream output = System.out;
        PrintStream errors = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        ByteArrayOutputStream complained = new ByteArrayOutputStream();
        int code = 0;
        try {
            System.setIn(new ByteArrayInputStream(command.path("stdin").asText("").getBytes(StandardCharsets.UTF_8)));
            System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
            String[] arguments = new ObjectMapper().convertValue(command.get("args"), String[].class);
            Class.forName(command.get("class").asText()).getMethod("main", String[].class).invoke(null, (Object) arguments);
            atExit.forEach(Runnable::run);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof Exited exited)) {
                throw thrown;
            }
            code = exited.code;
        } finally {
            System.setIn(input);
            System.setOut(output);
            System.setErr(errors);
        }
        answer.put("exit", code).put("out", printed.toString(StandardCharsets.UTF_8)).put("err", complained.toString(StandardCharsets.UTF_8));
    }
}
