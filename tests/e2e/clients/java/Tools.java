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
    }

    @Override
    public void handle(JsonNode command, ObjectNode answer) throws Exception {
        // A tool may catch the exception that stands for its exit and then exit once more: the first code counts.
        List<Integer> codes = new ArrayList<>();
        Exit.Procedure procedure = (status, message) -> {
            codes.add(status);
            throw new Exited();
        };
        Exit.setExitProcedure(procedure);
        Exit.setHaltProcedure(procedure);
        List<Runnable> atExit = new ArrayList<>();
        Exit.setShutdownHookAdder((name, runnable) -> atExit.add(runnable));
        InputStream input = System.in;
        PrintStream output = System.out;
        PrintStream errors = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        ByteArrayOutputStream complained = new ByteArrayOutputStream();
        try {
            System.setIn(new ByteArrayInputStream(command.path("stdin").asText("").getBytes(StandardCharsets.UTF_8)));
            System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
            String[] arguments = new ObjectMapper().convertValue(command.get("args"), String[].class);
            Class.forName(command.get("class").asText()).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof Exited)) {
                // What Java does when a main method throws.
                thrown.getCause().printStackTrace();
                codes.add(1);
            }
        } finally {
            atExit.forEach(Runnable::run);
            System.setIn(input);
            System.setOut(output);
            System.setErr(errors);
        }
        answer.put("exit", codes.isEmpty() ? 0 : codes.get(0)).put("out", printed.toString(StandardCharsets.UTF_8)).put("err", complained.toString(StandardCharsets.UTF_8));
    }
}
